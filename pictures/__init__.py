"""Pictures of the documents, drawn by `python -m pictures`."""
