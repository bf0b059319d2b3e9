#!/usr/bin/python3
"""An independent reader of saved images, written from docs/format.md and the .proto alone.

usage: ferry_reader.py SCHEMA_FOLDER IMAGE [--pages]

SCHEMA_FOLDER holds image_pb2.py, which protoc makes of ferry/v1/image.proto. Verifies every promise
that a reader has to check (framing, sequence, digests, End, index, batches) and prints what the image
holds; --pages lists each run of pages with the digest of its contents. It shares no code with ferry.
"""
import argparse
import struct
import sys

import xxhash
import zstandard

PAGE = 4096
PFNS_PER_PART = 65536
MAX_RECORD = 6 << 20
END_BYTES = 81
XL_MAGIC = b"Xen saved domain, xl format\n \0 \r"
WITH_DATA = {0, 1, 2, 3, 4, 9, 10, 11, 12, 17}
WITHOUT_DATA = {15, 16}


class BadImage(Exception):
    pass


def need(condition, sentence):
    if not condition:
        raise BadImage(sentence)


def varint(data, at):
    """A varint of protobuf: its value and where it ends."""
    value = shift = 0
    while True:
        need(at < len(data) and shift < 70, "a varint is cut off")
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return value, at


def image_inside(data):
    """The image in a file: all of it, or what stands inside an xl save file; and where it begins."""
    if not data.startswith(XL_MAGIC):
        return data, 0
    order, mandatory, _, optional = struct.unpack_from("<4I", data, 32)
    need(order == 0x01020304 and mandatory & ~3 == 0, "the xl header is not understood")
    at = 48 + optional
    name, version, options = struct.unpack_from(">8sII", data, at)
    need((name, version, options) == (b"LibxlFmt", 2, 0), "no libxl stream follows the xl header")
    need(struct.unpack_from("<II", data, at + 16) == (1, 0), "the first libxl record is no context")
    need(data[-8:] == bytes(8), "the xl file does not end with libxl's END")
    return data[at + 24:-8], at + 24


def records(data):
    """(offset, whole bytes, sequence, digest) of each record, framing and digests verified."""
    at = sequence = 0
    while at < len(data):
        place = f"record {sequence} at byte {at}"
        prefix = data[at:at + 6]
        need(len(prefix) == 6 and prefix[0] == 0x0A, f"{place} does not begin like one")
        need(all(byte & 0x80 for byte in prefix[1:5]) and not prefix[5] & 0x80,
             f"{place}: its length is not padded to 5 bytes")
        length, _ = varint(prefix, 1)
        whole = data[at:at + 6 + length]
        need(36 <= 6 + length <= MAX_RECORD and len(whole) == 6 + length, f"{place} is cut off")
        need(whole[6] == 0x09, f"{place} has no sequence number")
        need(struct.unpack_from("<Q", whole, 7)[0] == sequence, f"{place} is out of sequence")
        need(whole[-19:-16] == b"\xfa\x01\x10", f"{place} has no digest")
        need(xxhash.xxh3_128(whole[:-16]).digest() == whole[-16:], f"{place}: digest mismatch")
        yield at, whole, sequence
        at += len(whole)
        sequence += 1


def runs_of(numbers, width, first=0):
    """Expands packed runs: (first pfn, count, the other numbers of the run)."""
    need(len(numbers) % width == 0, "a list of runs ends within one")
    at = first
    for i in range(0, len(numbers), width):
        gap, count, *rest = numbers[i:i + width]
        need(count > 0, "a run is empty")
        yield at + gap, count, rest
        at += gap + count


def contents_of(pages):
    """The bytes of a batch's pages, decompressed and of the promised size."""
    need(len(pages.data) > 0 or pages.raw_bytes == 0, "a batch has no data")
    if pages.codec == 0:
        data = pages.data
    else:
        size = zstandard.frame_content_size(pages.data) if pages.data else 0
        need(size == pages.raw_bytes, "a zstd frame states another size")
        data = zstandard.ZstdDecompressor().decompress(pages.data)
    need(len(data) == pages.raw_bytes, "a batch has another size than it says")
    return data


class Image:
    def __init__(self, schema, data):
        self.last = {}  # pfn: (kind, offset of its record, number among that record's data pages)
        self.batches = {}  # offset: Pages
        self.others = []  # offsets of all but Magic, Pages, the index and End
        self.counts = {}
        self.parts = []
        digests = xxhash.xxh3_128()
        offset = 0
        kind = ""
        for offset, whole, sequence in records(data):
            record = schema.Record()
            record.ParseFromString(self.inner(whole))
            kind = record.WhichOneof("body")
            self.counts[kind] = self.counts.get(kind, 0) + 1
            if kind != "end":
                digests.update(whole[-16:])
            self.take(kind, record, offset, sequence)
        need(kind == "end" and self.counts["end"] == 1, "the image does not close with one End")
        end = record.end
        need(end.records == sequence + 1 and end.bytes == len(data), "End counts otherwise")
        need(end.digest_of_digests == digests.digest(), "End has another digest of the digests")
        need(len(data) - offset == END_BYTES, "End has another size")
        need(end.index_root_offset == self.root_offset, "End points beside the index root")
        self.check_index()

    @staticmethod
    def inner(whole):
        return whole[6:]  # what follows tag and length is the Record message

    def take(self, kind, record, offset, sequence):
        need((kind == "magic") == (sequence == 0), "Magic is not the first record")
        need((kind == "head") == (sequence == 1), "Head is not the second record")
        if kind == "magic":
            need(record.magic.magic == int.from_bytes(b"FERRYIMG", "little"), "no image of ferry")
            need(record.magic.major == 1, "another major version")
        elif kind == "head":
            self.head = record.head
            need(not self.head.required_features, "not known here: " + " ".join(self.head.required_features))
        elif kind == "pages":
            self.take_pages(record.pages, offset)
        elif kind == "index_part":
            self.parts.append((offset, record.index_part))
        elif kind == "index_root":
            self.root, self.root_offset = record.index_root, offset
        if kind not in ("magic", "pages", "index_part", "index_root", "end"):
            self.others.append(offset)

    def take_pages(self, pages, offset):
        self.batches[offset] = pages
        number = 0
        for first, count, (kind,) in runs_of(pages.runs, 3):
            need(kind in WITH_DATA or kind in WITHOUT_DATA, f"page kind {kind} is not known")
            need(first + count <= self.head.nr_pfns, "a page lies beyond the guest")
            for pfn in range(first, first + count):
                self.last[pfn] = (kind, offset, number)
                number += kind in WITH_DATA
        need(number * PAGE == pages.raw_bytes and number <= 1024, "a batch has other pages")
        contents_of(pages)

    def check_index(self):
        """What the index says of each pfn is what the last record with it said."""
        offsets = [offset for offset, _ in self.parts]
        need(self.sums(self.root.part_offsets) == offsets, "the root misses parts of the index")
        need(self.sums(self.root.other_offsets) == self.others, "the root misses records")
        need(len(self.parts) == -(-self.head.nr_pfns // PFNS_PER_PART), "parts are missing")
        seen = {}
        for number, (_, part) in enumerate(self.parts):
            need(part.first_pfn == number * PFNS_PER_PART, "a part covers other pfns")
            record_offsets = self.sums(part.record_offsets)
            for first, count, (kind, which) in runs_of(part.runs, 4, part.first_pfn):
                for pfn in range(first, first + count):
                    seen[pfn] = (kind, record_offsets[which] if kind in WITH_DATA else None)
        said = {pfn: (kind, offset if kind in WITH_DATA else None)
                for pfn, (kind, offset, _) in self.last.items()}
        need(seen == said, "the index and the records differ")

    @staticmethod
    def sums(distances):
        at, out = 0, []
        for distance in distances:
            at += distance
            out.append(at)
        return out

    def page(self, pfn):
        """4096 bytes; none for a pfn without a frame."""
        kind, offset, number = self.last[pfn]
        if kind not in WITH_DATA:
            return bytes(PAGE) if kind == 16 else None
        return contents_of(self.batches[offset])[number * PAGE:(number + 1) * PAGE]


def list_pages(schema, image):
    """Runs of neighbours of one kind, with the digest over their contents."""
    start, kind, digest = None, None, None
    for pfn in [*sorted(image.last), None]:
        if start is not None and (pfn is None or image.last[pfn][0] != kind or pfn != end + 1):
            print(f"{start:#x}..{end:#x} {schema.PageKind.Name(kind)} {digest.hexdigest()}")
            start = None
        if pfn is None:
            return
        if start is None:
            start, kind, digest = pfn, image.last[pfn][0], xxhash.xxh3_128()
        end = pfn
        digest.update(image.page(pfn) or b"")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("schema_folder")
    parser.add_argument("image")
    parser.add_argument("--pages", action="store_true", help="list the pages")
    arguments = parser.parse_args()
    sys.path.insert(0, arguments.schema_folder)
    import image_pb2 as schema
    try:
        with open(arguments.image, "rb") as file:
            data, offset = image_inside(file.read())
        image = Image(schema, data)
    except BadImage as bad:
        print(f"{arguments.image}: bad: {bad}")
        return 3
    counts = ", ".join(f"{kind} {count}" for kind, count in sorted(image.counts.items()))
    print(f"{arguments.image}: sound, {len(data)} bytes from byte {offset}; {counts}")
    print(f"{len(image.last)} of {image.head.nr_pfns} pfns mentioned")
    if arguments.pages:
        list_pages(schema, image)
    return 0


if __name__ == "__main__":
    sys.exit(main())
