# again COMMAND…: up to ten times. A server that answers its health check may not answer everybody yet.
again() {
    for try in 1 2 3 4 5 6 7 8 9 10; do
        if "$@"; then return 0; fi
        [ "$try" = 10 ] || sleep 3
    done
    return 1
}
