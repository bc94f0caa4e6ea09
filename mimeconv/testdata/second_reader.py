"""A second reader of mail, for TestSecondReader: Python's email package.

Reads messages from stdin, each behind its length in octets on a line of its own,
and answers each with one line of JSON.
"""
import email
import email.policy
import json
import sys


def body(message, kind):
    try:
        part = message.get_body(preferencelist=(kind,))
        return None if part is None else part.get_content()
    except Exception as e:
        return "cannot be read: " + repr(e)


def addresses(message, name):
    try:
        return [a.addr_spec for field in message.get_all(name, []) for a in field.addresses]
    except Exception as e:
        return ["cannot be read: " + repr(e)]


def read(raw):
    message = email.message_from_bytes(raw, policy=email.policy.default)
    try:
        subject = message["subject"]
    except Exception as e:
        subject = "cannot be read: " + repr(e)
    return {
        "subject": None if subject is None else str(subject),
        "addresses": {name: addresses(message, name) for name in ("from", "to", "cc")},
        "text": body(message, "plain"),
        "html": body(message, "html"),
    }


while True:
    line = sys.stdin.buffer.readline()
    if not line:
        break
    answer = json.dumps(read(sys.stdin.buffer.read(int(line))))
    sys.stdout.write(answer + "\n")
    sys.stdout.flush()
