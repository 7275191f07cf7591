"""The store: an image and what lives in it.  Imports neither the scheduler nor the browser."""
