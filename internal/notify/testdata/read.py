# Reads a report with Python's email package and says, as JSON, what a program finds in it.
import email, email.policy, json, sys

message = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.SMTPUTF8)
parts = list(message.iter_parts())
status = parts[1].get_payload()
defects = [str(d) for part in message.walk() for d in part.defects]
json.dump({
    "type": message.get_content_type(),
    "report": message["Content-Type"].params["report-type"],
    "defects": defects,
    "parts": [p.get_content_type() for p in parts],
    "words": parts[0].get_content(),
    "message": {k.lower(): v for k, v in status[0].items()},
    "recipients": [{k.lower(): v for k, v in s.items()} for s in status[1:]],
    "subject": str(message["Subject"]),
    "headers": sorted(k.lower() for k in message.keys()),
}, sys.stdout)
