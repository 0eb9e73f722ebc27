#!/bin/sh
# Makes the password of compose.yaml's database, once. The service is user 10001 and must own its file, as
# PostgreSQL's client takes no password that others can read: run this as root, or give it away later.
set -eu
HOME_OF_SECRETS="${1:-$(dirname "$0")/secrets}"
umask 077
mkdir -p "$HOME_OF_SECRETS"
if [ -e "$HOME_OF_SECRETS/pgpass" ]; then
    echo "$HOME_OF_SECRETS: there already" >&2
    exit 2
fi
password=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
printf '%s' "$password" >"$HOME_OF_SECRETS/database_password"
printf 'database:5432:service:service:%s\n' "$password" >"$HOME_OF_SECRETS/pgpass"
chmod 755 "$HOME_OF_SECRETS"
chmod 644 "$HOME_OF_SECRETS/database_password" # PostgreSQL's own user reads it
chown 10001 "$HOME_OF_SECRETS/pgpass" 2>/dev/null || echo "as root: chown 10001 $HOME_OF_SECRETS/pgpass" >&2
