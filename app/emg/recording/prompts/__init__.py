"""What a person is asked to do while they are recorded, and how each step went."""
