"""The desk: staff look after one supporter at a time."""
