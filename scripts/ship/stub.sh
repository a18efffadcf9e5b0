#!/bin/sh
{ # Makes the shell read the script as a whole before it runs any of it: a file that was cut off runs nothing.
  # @title@ is a self-contained executable: this script, and behind it the Deno runtime and the program, compressed. At its first
  # start it unpacks them into a cache folder, from where they run ever after; that folder may be deleted at any time.
  set -fu
  mask=$(umask)
  umask 077

  fail() { # exit code, message, hint
    { printf 'error: %s' "$2"; [ -z "${3-}" ] || printf '\n  %s' "$3"; } | LC_ALL=C tr -d '\000-\011\013-\037\177' >&2
    echo >&2
    exit "$1"
  }

  # Sets what is known of a file in here: where it starts, its compressed size, its size and SHA-256, its mode.
  member() {
    case $1 in
@members@
    *) at=0 packed=0 size=-1 sum=- mode=- ;;
    esac
  }

  # Chooses the cache folder, links resolved. One that was asked for, and cannot be used, is never replaced by another.
  choose_folder() {
    case ${XDG_CACHE_HOME-} in
    /*) folder=$XDG_CACHE_HOME/shoal ;;
    *)
      folder=${TMPDIR:-/tmp}/shoal-$uid
      case ${HOME-} in
      /*) if is_ours "$HOME"; then folder=$HOME/.cache/shoal; fi ;;
      esac
      ;;
    esac
    case $folder in /*) ;; *) folder=$PWD/$folder ;; esac
    said=$(LC_ALL=C mkdir -p -- "$folder" 2>&1) || refuse "${said##*: }"
    folder=$(cd -- "$folder" 2>/dev/null && pwd -P) || refuse "it cannot be entered"
  }

  is_ours() { # folder: with sudo HOME may be somebody else's, whom a folder of root's in it would lock out
    # shellcheck disable=SC2046
    set -- $(ls -ldn -- "$1/." 2>/dev/null)
    [ "${3-}" = "$uid" ]
  }

  refuse() { # why
    fail 11 "Cannot unpack into $folder: $1" "Set XDG_CACHE_HOME to a folder of your own"
  }

  # Counts into `whole` how many of the files (arguments) are in the cache folder as they should be; refuses a folder that
  # somebody else could put files into. The nine columns of each line of ls: mode links owner group size month day time name.
  look() {
    # shellcheck disable=SC2046
    set -- $(cd -- "$folder" 2>/dev/null && [ "$(pwd -P)" = "$folder" ] && ls -ldn -- . .. "$@" 2>/dev/null)
    whole=0 safe=0
    while [ $# -ge 9 ]; do
      case $9 in
      .) case "$3 $1" in "$uid d"????-??-*) safe=$((safe + 1)) ;; esac ;;
      ..)
        # Writable to a group only if it is a person's own, which has the person's number.
        case "$3 $4 $1" in
        "$uid "*" d"????-??-* | "0 "*" d"????-??-* | "$uid $uid d"???????-*) safe=$((safe + 1)) ;;
        "$uid "*" d"????????[tT]* | "0 "*" d"????????[tT]*) safe=$((safe + 1)) ;;
        esac
        ;;
      *)
        member "$9"
        case "$3 $5 $1" in "$uid $size -r"???-??-*) whole=$((whole + 1)) ;; esac
        ;;
      esac
      shift 9
    done
    [ "$safe" = 2 ] || refuse "others own it or can write to it"
  }

  # Unpacks one file: checked and synced before it gets its name.
  unpack() {
    member "$1"
    part=$(mkdir -p -- "$folder/${1%/*}" && mktemp "$folder/part.XXXXXX") || refuse "it cannot be written to"
    said=$({ tail -c "+$at" -- "$self" | head -c "$packed"; } 2>/dev/null | gzip -dc 2>&1 >"$part") || case $?$said in
    *"No space left"* | *"quota"*)
      fail 9 "Cannot unpack into $folder: ${said##*: }" "Free 100 MB there, or set XDG_CACHE_HOME to another folder" ;;
    1[3-9]?* | *"too large"*) refuse "unpacking was stopped by a limit or a signal" ;;
    *) damaged ;;
    esac
    found=$({ sha256sum || shasum -a 256; } <"$part" 2>/dev/null)
    [ "${found%% *}" = "$sum" ] || damaged
    chmod "$mode" "$part"
    if [ "$1" = "$runtime" ]; then
      said=$("$part" --version 2>&1 </dev/null) || case $said in
      *"ermission denied"*) refuse "programs may not run from there" ;;
      *) fail 1 "Cannot run on this machine: ${said##*"$part": }" "@needs@" ;;
      esac
    fi
    sync "$part" 2>/dev/null || sync
    # Another start may have been faster; what it made may run by now, and is left as it is.
    look "$1"
    [ "$whole" = 1 ] || ln -- "$part" "$folder/$1" 2>/dev/null || mv -f -- "$part" "$folder/$1" || refuse "it cannot be written to"
    rm -f -- "$part"
    part=
  }

  damaged() {
    fail 8 "Cannot run $self: the file is damaged" "Get it again, and compare it with SHA256SUMS"
  }

  pwd -P >/dev/null 2>&1 || fail 2 "Cannot start: the current folder is gone" "Change to another folder"
  # What these set would change what ls prints and where cd goes. The program gets its own language back.
  unset TIME_STYLE QUOTING_STYLE BLOCK_SIZE LS_BLOCK_SIZE CLICOLOR_FORCE CDPATH
  language=${LC_ALL-}
  export LC_ALL=C
  uid=$(id -u)
  self=$0
  runtime=@runtime@
  app=@app@
  part=

  machine=$(uname -sm)
  [ "$machine" = "@machine@" ] ||
    fail 1 "Cannot run $self: it is made for @machine@, and this machine is $machine" "Get the executable that is made for it"
  choose_folder
  look @names@
  if [ "$whole" != @count@ ]; then
    bytes=$(wc -c <"$self") || fail 1 "Cannot find the file of this program" "Start it by its path"
    [ "$((bytes))" = @bytes@ ] ||
      fail 8 "Cannot run $self: it has $((bytes)) of @bytes@ bytes" "Get it again, and compare it with SHA256SUMS"
    trap '[ -z "$part" ] || rm -f -- "$part"' EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    # What a killed start left behind, a day ago or more.
    find "$folder" -name 'part.*' -mtime +0 -exec rm -f -- {} + 2>/dev/null
    for name in @names@; do
      look "$name"
      [ "$whole" = 1 ] || unpack "$name"
    done
    look @names@
    [ "$whole" = @count@ ] || refuse "files in it change"
  fi

  mkdir -p -- "$folder/deno" 2>/dev/null
  export DENO_DIR="$folder/deno" @env@ SHOAL_EXECUTABLE="$self"
  if [ -n "$language" ]; then LC_ALL=$language; else unset LC_ALL; fi
  umask "$mask"
  exec "$folder/$runtime" @args@ "$@"
}
