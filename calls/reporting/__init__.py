"""What managers look at: the day, the week, the month, from SQL, in four formats."""
