"""`--doctor`: is this machine, its settings, its key and its venue fit to trade, and if not, what is to be done?

One rule: each finding says what to do. The visit changes nothing, but for one order far away where it is asked to place one.
"""

from doctor.canary import Canary, Patience
from doctor.findings import Diagnosis, Finding, Level
from doctor.venue import Probe, Venue
from doctor.visit import Instruments, run, wrong_input

HELP = {
    "doctor": "look at machine, settings, journal, key, venue, streams and strategies, say what to mend, and exit",
    "canary": "with --doctor: place one order of the smallest size, far away and post-only, and cancel it",
}

__all__ = ["HELP", "Canary", "Diagnosis", "Finding", "Instruments", "Level", "Patience", "Probe", "Venue", "run", "wrong_input"]
