"""What holds for every test: none of them may fail because the machine is slow."""

from hypothesis import settings

settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")
