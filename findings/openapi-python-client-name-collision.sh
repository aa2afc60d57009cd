#!/usr/bin/env bash
# openapi-python-client leaves a schema out where another is called as it would call one of its properties.
#
# Seen with openapi-python-client 0.29.1, 29 November 2026. `Source` has a property `state` with an enum, for which the
# generator makes the class `SourceState`; a schema that is called `SourceState` is valid OpenAPI beside it. The generator
# ends with a warning and exit 0, and the client lacks `Source` and all that refers to it.
# For us: our schema is called SourceHealth now, and a test generates a client with --fail-on-warning.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check openapi-python-client==0.29.1
cd "$folder"
cat >api.json <<'JSON'
{"openapi": "3.0.3", "info": {"title": "one", "version": "1"},
 "paths": {"/source": {"get": {"operationId": "source", "responses": {"200": {"description": "one",
   "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Source"}}}}}}}},
 "components": {"schemas": {
   "SourceState": {"type": "object", "properties": {"samples": {"type": "integer"}}},
   "Source": {"type": "object", "properties": {"state": {"type": "string", "enum": ["running", "stalled"]}}}}}}
JSON
"$folder/venv/bin/openapi-python-client" generate --path api.json --meta none --output-path made >said 2>&1
echo "exit $?"
cat said
ls made/models
test ! -e made/models/source.py
grep -q "Found conflicting enums named SourceState" said
# Output seen:
#   exit 0
#   Warning(s) encountered while generating. Client was generated, but some pieces may be missing
#   Found conflicting enums named SourceState with incompatible values.
#   Failure to process schema has resulted in the removal of: /components/schemas/Source
#   __init__.py  source_state.py
