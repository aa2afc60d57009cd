"""Tables of numbers in text files: found, read in bounded memory, numbered by what their columns tell."""
