"""Error messages for a database that cannot be reached; for errors of TLS and of files, the message names the cause."""

import ssl

import asyncpg

NO_TLS = "rejected SSL upgrade"  # a part of the message of asyncpg's ConnectionError when PostgreSQL offers no TLS


def why_unreachable(error: Exception) -> str:
    """Return the reason why a connection to the database could not be opened, without paths and addresses.

    Clients of the service see this text in a 503 response.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = error.verify_message.partition(",")[0]  # leave out the part after the comma: it has the address
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
