"""What is kept on disk: journals, run folders and the feature cache; every write is atomic."""
