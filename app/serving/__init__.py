"""What runs: from sources to streams, without HTTP."""
