"""What the user may set: read once, checked all at once, handed out frozen, before the first connection."""

from config.loading import documented_settings, flag_of, load_settings
from config.settings import HOSTS, PAPER_KEY, PAPER_SECRET, Hosts, Settings

__all__ = ["HOSTS", "PAPER_KEY", "PAPER_SECRET", "Hosts", "Settings", "documented_settings", "flag_of", "load_settings"]
