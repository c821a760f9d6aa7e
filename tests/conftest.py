"""What every test shares: one hypothesis profile. Nothing else belongs here; a fixture lives beside the tests that use it."""

import os

from hypothesis import settings

# No deadline: two busy cores make an honest example slow. In CI the examples are the same each time, so a red run can be repeated.
settings.register_profile("house", deadline=None, derandomize=os.environ.get("CI") == "true", print_blob=True)
settings.load_profile("house")
