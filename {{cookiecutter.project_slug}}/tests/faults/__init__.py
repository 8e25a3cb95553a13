"""Break real processes under load and judge the answers."""
