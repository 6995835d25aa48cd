"""What people read of the results: neighbours, files, and how current everything is."""
