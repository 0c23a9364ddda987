"""One post to an endpoint. Redirects are answers like any other; nothing but the status counts."""
import http.client
import urllib.parse

MOST_READ = 4096


def post(url, body, signature, timeout):
    """{"status": …, "error": …, "answer": …}: status is None where no answer came."""
    at = urllib.parse.urlsplit(url)
    kind = http.client.HTTPSConnection if at.scheme == "https" else http.client.HTTPConnection
    connection = kind(at.hostname, at.port, timeout=timeout)
    try:
        connection.request("POST", (at.path or "/") + (f"?{at.query}" if at.query else ""), body, {
            "Content-Type": "application/json; charset=utf-8", "Stripe-Signature": signature, "Accept": "*/*; q=0.5, application/xml",
            "User-Agent": "Stripe/1.0 (stand-in)"})
        response = connection.getresponse()
        return {"status": response.status, "error": None, "answer": response.read(MOST_READ).decode(errors="replace")[:300]}
    except (OSError, http.client.HTTPException) as error:
        return {"status": None, "error": str(error) or type(error).__name__, "answer": ""}
    finally:
        connection.close()
