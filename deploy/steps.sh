#!/bin/sh
# What compose.yaml does, without containers: a database, a service that waits for it, a decision.
# RUN, DATABASE, STATE and PORT are set by the caller; tests/service/test_deployment.py carries it out.
set -eu
: "${RUN:?a run folder}" "${DATABASE:?a file or postgresql:// URL}" "${STATE:?a file as decide.py reads it}"
PORT="${PORT:-8000}"
PYTHON="${PYTHON:-python}"
ROOT=$(dirname "$0")/..

SERVICE_TOKEN=$("$PYTHON" "$ROOT/serve.py" --database "$DATABASE" --token steps:admin)
export SERVICE_TOKEN
"$PYTHON" "$ROOT/serve.py" --checkpoint "$RUN" --database "$DATABASE" --port "$PORT" ${BASELINE:+--baseline "$BASELINE"} &
SERVER=$!
trap 'kill "$SERVER" 2>/dev/null || true; wait "$SERVER" 2>/dev/null || true' EXIT

tries=0
until "$PYTHON" -c "import urllib.request as u; u.urlopen('http://127.0.0.1:$PORT/ready', timeout=2)" 2>/dev/null; do
    kill -0 "$SERVER"
    tries=$((tries + 1))
    [ "$tries" -lt 200 ]
    sleep 0.5
done
"$PYTHON" "$ROOT/decide.py" --server "http://127.0.0.1:$PORT" --state "$STATE"
kill "$SERVER"
wait "$SERVER" || true
"$PYTHON" "$ROOT/serve.py" --database "$DATABASE" --verify
