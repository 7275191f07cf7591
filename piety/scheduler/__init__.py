"""What runs the image: tasks and their events, the turn loop, failures, effects; see `system.py`."""
