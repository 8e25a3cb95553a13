"""Is the process alive, and may it get traffic?"""
