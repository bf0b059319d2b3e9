# Functions that damage images and expect them to be refused. Sourced by bad_input.sh, after lib.sh.

byte_at() { dd if="$1" bs=1 skip="$2" count=1 2>/dev/null | xxd -p; }
put_byte() { printf "\\x$3" | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null; } # FILE OFFSET HEX

# The first record of an image of format version 99, its digest right (proto/record.h).
magic_99=0aac80808000090000000000000000120e094645525259494d471563000000fa01108c395f740a2a97d7a5cf0317e25d38a6

unknown_version() { # IMAGE COPY
  cp "$1" "$2"
  echo $magic_99 | xxd -r -p | dd of="$2" bs=50 conv=notrunc 2>/dev/null
}

# spread I N SIZE: the I-th of N offsets spread over SIZE bytes, the first and the last among them.
spread() { awk -v i="$1" -v n="$2" -v size="$3" 'BEGIN { printf "%d\n", (size - 1) * i / (n - 1) }'; }

nothing_but_victim() { only victim; }

every_flip_refused() { # IMAGE COUNT
  local i at old new size status=0
  size=$(stat -c %s "$1")
  for i in $(seq 0 $(($2 - 1))); do
    at=$(spread "$i" "$2" "$size")
    old=$(byte_at "$1" "$at")
    new=$(printf '%02x' $((0x$old ^ (1 << (i % 8)))))
    put_byte "$1" "$at" "$new"
    fails_with 3 . ferry restore --force --name bad "$1" && nothing_but_victim || { echo "flip at $at"; status=1; }
    put_byte "$1" "$at" "$old"
  done
  return $status
}

every_truncation_refused() { # IMAGE COUNT
  local i size status=0
  size=$(stat -c %s "$1")
  cp "$1" "$work/cut"
  for i in $(seq 1 "$2"); do
    # One byte off first, then ever more; the last cut leaves nothing.
    truncate -s $((i == 1 ? size - 1 : size - (size * (i - 1) / ($2 - 1)))) "$work/cut"
    fails_with 3 . ferry restore --force --name bad "$work/cut" && nothing_but_victim ||
      { echo "cut to $(stat -c %s "$work/cut")"; status=1; }
  done
  rm "$work/cut"
  return $status
}

# In a stream the damage may be met only after the domain has been made: then it must be gone again.
every_xl_flip_refused() { # XL_FILE COUNT
  local i at old new size status=0
  size=$(stat -c %s "$1")
  for i in $(seq 1 "$2"); do
    at=$(spread "$i" $(($2 + 2)) "$size")
    old=$(byte_at "$1" "$at")
    new=$(printf '%02x' $((0x$old ^ 16)))
    put_byte "$1" "$at" "$new"
    not timeout 60 xl restore "$1" && within 20 nothing_but_victim || { echo "flip at $at"; status=1; }
    put_byte "$1" "$at" "$old"
  done
  return $status
}
