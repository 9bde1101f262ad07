"""Tables of the revenue pages as CSV, streamed."""
