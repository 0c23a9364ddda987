"""The fault rig: see README.md."""
