"""What the machines of one bus know of each other: who they are, and models and profiles that they lend."""
