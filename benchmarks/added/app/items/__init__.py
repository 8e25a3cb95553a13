"""The feature that the bench adds as any user would: items with a name and a price."""
