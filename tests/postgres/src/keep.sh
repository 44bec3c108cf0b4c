# Keeps a PostgreSQL server as long as somebody holds this script's standard input, then leaves nothing of it.
# Arguments: the folder of PostgreSQL's programs; the settings; how many megabytes its disk has, else nothing, in which case it has
# none of its own. Says where the server's folder is once it is up, then carries out commands, a line each, and says so.
set -eu
bin=$1
settings=$2
megabytes=$3
folder=$(mktemp -d -t airside-postgres.XXXXXX)
data=$folder/data
leave() {
    "$bin/pg_ctl" -D "$data" -m immediate stop >&2 || true
    [ -z "$megabytes" ] || umount --lazy "$data"
    rm -rf "$folder"
}
trap leave EXIT
trap '' INT TERM HUP PIPE
mkdir "$data"
[ -z "$megabytes" ] || mount -t tmpfs -o size="$megabytes"m tmpfs "$data"
od -An -tx1 -N16 /dev/urandom | tr -d ' \n' >"$folder/password"
# What tests keep need not survive a power cut, but must survive a crash of the server, as it does without fsync. The log that it
# recovers from is never on the small disk.
"$bin/initdb" -D "$data" --waldir "$folder/wal" -U airside -A scram-sha-256 --pwfile="$folder/password" -E UTF8 --locale=C \
    --no-sync >&2
cat >>"$data/postgresql.conf" <<END
unix_socket_directories = '$folder'
listen_addresses = ''
fsync = off
max_connections = 200
$settings
END
echo 'hostssl all all 127.0.0.0/8 scram-sha-256' >>"$data/pg_hba.conf"
start() {
    "$bin/pg_ctl" -D "$data" -w -l "$folder/log" start </dev/null >&2
}
start
chmod 755 "$folder"
chmod 644 "$folder/password"
echo "$folder"
while read -r command; do
    case $command in
    crash) "$bin/pg_ctl" -D "$data" -w -m immediate stop >&2 ;;
    resume) start ;;
    # Ends when no room is left.
    fill) dd if=/dev/zero of="$data/filler" bs=64k >&2 || true ;;
    release) rm "$data/filler" ;;
    esac
    echo carried out
done
