"""What a covariance model learns: a linear head in closed form, from one's own repetitions and other people's."""
