"""What brings texts, vectors, centroids and indexes to what the user's tables say."""
