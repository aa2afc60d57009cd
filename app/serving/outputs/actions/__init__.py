"""Which message a gesture event is, for each way out: the table that a person writes."""
