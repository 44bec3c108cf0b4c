#!/bin/busybox sh
# A destination for frames: answers each request on its connection and notes section and id of the frame.
while read -r request; do
    length=0
    id=none
    while read -r line; do
        line=$(printf %s "$line" | tr -d '\r')
        case "$line" in
        "") break ;;
        content-length:*) length=${line#*: } ;;
        x-request-id:*) id=${line#*: } ;;
        esac
    done
    section=$(head -c "$length" | grep -o '"section":"[0-9]*"' | tr -dc 0-9)
    echo "section-$section $id" >>/tmp/frames
    printf 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'
done
