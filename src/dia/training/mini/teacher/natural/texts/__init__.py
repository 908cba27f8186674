"""What the teachers say: prose, everyday lines, and the mixture of all texts."""
