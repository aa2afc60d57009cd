"""The models that lie in the instance's folder: which there are, and those that come and go while the server runs."""
