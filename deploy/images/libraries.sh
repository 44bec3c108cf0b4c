#!/bin/sh
# libraries.sh OUT FILE…: copies FILEs to OUT with every library that they need beyond the packages listed in /base/status, and what is
# known of the packages that all these come from: licences, and the entries that scanners of images read. A package brings far more:
# GStreamer's libraries a whole LLVM by way of a graphics driver. Nothing is run, so the FILEs may be another architecture's.
set -eu
out=$1
shift
for file; do
    mkdir -p "$out$(dirname "$file")"
    cp -a "$file" "$out$file"
    [ -d "$file" ] && find "$file" -type f -name '*.so*' || echo "$file"
done | xargs lddtree -l >/libraries
sort -u /libraries |
    while read -r library; do
        found=$(readlink -f "$library")
        # Packages name files where they were before /lib became /usr/lib.
        package=$(dpkg -S "$found" 2>/dev/null || dpkg -S "${found#/usr}" 2>/dev/null) || {
            # Airside's own; any other must be some package's.
            [ -e "$out$library" ] && continue
            echo "images: $library is no package's" >&2
            exit 1
        }
        package=${package%%: *}
        name=${package%%:*}
        grep -qx "Package: $name" /base/status && continue
        # Under the name that programs ask for, past the links of alternatives.
        to=$out/usr/lib/${library##*/lib/}
        mkdir -p "$(dirname "$to")" "$out/usr/share/doc/$name" "$out/var/lib/dpkg/status.d"
        [ -e "$to" ] || cp -L "$library" "$to"
        cp -L "/usr/share/doc/$name/copyright" "$out/usr/share/doc/$name/"
        dpkg-query --status "$package" >"$out/var/lib/dpkg/status.d/$name"
    done
