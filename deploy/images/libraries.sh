#!/bin/sh
# libraries.sh OUT FILE…: copies FILEs to OUT with every library that they need beyond the packages listed in /packages, and what is
# known of the packages that these come from: licences, and the entries that scanners of images read. A package brings far more:
# GStreamer's libraries a whole LLVM by way of a graphics driver.
set -eu
out=$1
shift
for file; do
    mkdir -p "$out$(dirname "$file")"
    cp -a "$file" "$out$file"
    [ -d "$file" ] && find "$file" -type f -name '*.so*' || echo "$file"
done | xargs ldd 2>/dev/null | sed -n 's/.* => \(\/[^ ]*\) .*/\1/p' | sort -u |
    while read -r library; do
        found=$(readlink -f "$library")
        # Packages name files where they were before /lib became /usr/lib.
        package=$(dpkg -S "$found" 2>/dev/null || dpkg -S "${found#/usr}")
        package=${package%%:*}
        grep -qx "$package" /packages && continue
        # Under the name that programs ask for, past the links of alternatives.
        to=$out/usr/lib/${library##*/lib/}
        mkdir -p "$(dirname "$to")" "$out/usr/share/doc/$package" "$out/var/lib/dpkg/status.d"
        cp -L "$library" "$to"
        cp -L "/usr/share/doc/$package/copyright" "$out/usr/share/doc/$package/"
        dpkg-query --status "$package" >"$out/var/lib/dpkg/status.d/$package"
    done
