# Keeps a PostgreSQL server as long as somebody holds this script's standard input, then leaves nothing of it.
# Arguments: the folder of PostgreSQL's programs, the settings. Says where the server's folder is once it is up.
set -eu
bin=$1
settings=$2
folder=$(mktemp -d -t airside-postgres.XXXXXX)
trap '"$bin/pg_ctl" -D "$folder/data" -m immediate stop >&2 || true; rm -rf "$folder"' EXIT
trap '' INT TERM HUP
od -An -tx1 -N16 /dev/urandom | tr -d ' \n' >"$folder/password"
# What tests keep need not survive a power cut, but must survive a crash of the server, as it does without fsync.
"$bin/initdb" -D "$folder/data" -U airside -A scram-sha-256 --pwfile="$folder/password" -E UTF8 --locale=C --no-sync >&2
cat >>"$folder/data/postgresql.conf" <<END
unix_socket_directories = '$folder'
listen_addresses = ''
fsync = off
max_connections = 200
$settings
END
"$bin/pg_ctl" -D "$folder/data" -w -l "$folder/log" start </dev/null >&2
chmod 755 "$folder"
chmod 644 "$folder/password"
echo "$folder"
cat >/dev/null
