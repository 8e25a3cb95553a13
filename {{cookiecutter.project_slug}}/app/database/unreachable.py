"""The sentence for a connection to PostgreSQL that could not be opened: TLS and permissions have one of their own."""

import ssl

import asyncpg

NO_TLS = "rejected SSL upgrade"  # asyncpg has no class for this ConnectionError


def why_unreachable(error: Exception) -> str:
    """Return why a connection to the database could not be opened, for clients too: without paths and addresses."""
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = error.verify_message.partition(",")[0]  # the rest of "Hostname mismatch, ..." is the address
        return f"The certificate of the database is not accepted: {reason}."
    if isinstance(error, ssl.SSLError):
        return "The TLS handshake with the database failed."
    if isinstance(error, asyncpg.ClientConfigurationError):
        return "The database connection lacks a file: set sslrootcert in DATABASE_URL to the authority's certificate."
    if isinstance(error, PermissionError):
        return "This user has no permission to read a file of the database connection, as below HOME: is HOME right?"
    if NO_TLS in str(error):
        return "The database offers no TLS, which sslmode in DATABASE_URL demands."
    return "The database cannot be reached."
