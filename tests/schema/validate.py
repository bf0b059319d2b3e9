# Holds JSON documents against a schema.
#
# usage: validate.py SCHEMA DOCUMENT…     prints what does not fit, a line each; exit status 1 if anything does not
import json
import sys

import jsonschema


def read(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def main():
    schema = read(sys.argv[1])
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    wrong = 0
    for path in sys.argv[2:]:
        for error in validator.iter_errors(read(path)):
            print("%s: at /%s: %s" % (path, "/".join(map(str, error.absolute_path)), error.message[:200]))
            wrong += 1
    print("%d documents, %d faults" % (len(sys.argv) - 2, wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
