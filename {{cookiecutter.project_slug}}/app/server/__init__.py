"""What runs the application in production: the CPUs it may use and the gunicorn worker."""
