"""What a JSON schema cannot say of our requests: a binary float is no multiple of 0.01, so a right amount is rounded to it."""

import schemathesis
from schemathesis import GenerationMode


@schemathesis.hook
def map_case(context, case):
    right = case.meta is not None and case.meta.generation.mode == GenerationMode.POSITIVE
    if right and isinstance(case.body, dict) and isinstance(case.body.get("amount"), float):
        case.body["amount"] = round(case.body["amount"], 2)
    return case
