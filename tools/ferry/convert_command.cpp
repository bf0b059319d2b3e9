// ferry convert: from Xen's own format of a saved guest to ferry's, and back.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>

#include "config/json_text.h"
#include "convert/export.h"
#include "files/image_output.h"
#include "tools/ferry/commands.h"
#include "tools/ferry/config_json.h"
#include "tools/ferry/output.h"
#include "tools/ferry/reader.h"

namespace ferry {
namespace {

using nlohmann::ordered_json;

struct ConvertArguments {
  std::string from, to;
  std::string format;  // empty: the other one
  int level = 1;
  unsigned threads = std::clamp(std::thread::hardware_concurrency(), 1u, 3u);
  bool json = false;
  std::vector<std::string> bases;
  bool no_sandbox = false;
};

std::string uuid_bytes(const std::string& text) {
  std::string bytes, digits;
  for (const char c : text)
    if (c != '-') digits += c;
  if (digits.size() != 32 ||
      digits.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos)
    return {};
  for (size_t i = 0; i < 32; i += 2)
    bytes += static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16));
  return bytes;
}

v1::Config config_record(const XlHeader& xl) {
  v1::Config config;
  config.set_libxl_json(xl.config);
  config.set_xl_flags(xl.mandatory_flags);
  const ordered_json json = parse_config(xl.config);
  config.set_name(text_at(json, "/c_info/name"));
  config.set_uuid(uuid_bytes(text_at(json, "/c_info/uuid")));
  return config;
}

// The xl header that an image has around it, or could have.
std::optional<XlHeader> header_of(const ImageFile& image) {
  if (image.place().of_libvirt) return std::nullopt;
  if (image.place().in_xl_file) return XlHeader{image.place().xl_flags, image.place().xl_config};
  uint64_t offset = 0;
  for (const uint64_t distance : image.index_root().other_offsets()) {
    offset += distance;
    const RawRecord raw = image.read_record(offset);
    if (raw.kind != v1::Record::kConfigFieldNumber) continue;
    const v1::Config config = parse_record(raw).config();
    return XlHeader{config.xl_flags() | kXlFlagJson | kXlFlagStreamV2, config.libxl_json()};
  }
  return std::nullopt;
}

// What is read, and where what becomes of it goes.
struct Files {
  const delta::ImageFiles& from;
  ByteSink& to;
};

// Runs write(sink), inside an xl file if header says so.
template <typename Write>
convert::Converted into(ByteSink& sink, const std::optional<XlHeader>& header, Write write) {
  if (header) sink.write(encode_xl_header(*header));
  const convert::Converted done = write(sink);
  if (header) sink.write(encode_libxl_end());
  return done;
}

struct Outcome {
  std::string from, to;  // formats
  convert::Converted done;
};

Outcome from_libxc(const ConvertArguments& arguments, const Files& files,
                   const convert::StreamPlace& place, Executor& executor) {
  const bool wrapped = arguments.format == "ferry-xl";
  if (!arguments.format.empty() && arguments.format != "ferry" && !wrapped)
    fail(Errc::usage, "{} is a stream of Xen's already", arguments.from);
  const bool configured = place.xl && !place.xl->of_libvirt;
  if (wrapped && !configured)
    fail(Errc::usage, "a {} has no configuration of libxl's, which a file of xl needs",
         place.xl ? "file of libvirt's" : "bare stream");
  convert::ImportOptions options{.level = arguments.level, .config = {}, .origin = {}};
  if (configured && !wrapped) options.config = config_record(*place.xl);
  return {configured ? "xl"
          : place.xl ? "libvirt"
                     : "libxc",
          wrapped ? "ferry-xl" : "ferry",
          into(files.to, wrapped ? place.xl : std::nullopt, [&](ByteSink& sink) {
            return convert::import_stream(files.from.newest(), place, options, sink, executor);
          })};
}

Outcome from_ferry(const ConvertArguments& arguments, const Files& files, Executor& executor) {
  const ImageFile image = files.from.open();
  if (arguments.format.starts_with("ferry"))
    fail(Errc::usage, "{} is an image of ferry's already", arguments.from);
  const bool bare = arguments.format == "libxc";
  std::optional<XlHeader> header;
  if (!bare) {
    header = header_of(image);
    if (!header)
      fail(Errc::usage, "the image has no configuration, which a file of xl needs: use --to libxc");
  }
  const ImagePlace& place = image.place();
  return {place.of_libvirt   ? "ferry-libvirt"
          : place.in_xl_file ? "ferry-xl"
                             : "ferry",
          bare ? "libxc" : "xl", into(files.to, header, [&](ByteSink& sink) {
            return convert::export_stream(image, sink, executor);
          })};
}

// What there is to say of it; nothing if what was made went to standard output.
std::string converted(const ConvertArguments& arguments, const Files& files) {
  std::unique_ptr<Executor> executor = make_thread_executor(arguments.threads);
  const std::optional<convert::StreamPlace> place = convert::find_libxc_stream(files.from.newest());
  if (place && !files.from.alone())
    fail(Errc::usage, "{} is a stream of Xen's, which has no base", arguments.from);
  const Outcome outcome = place ? from_libxc(arguments, files, *place, *executor)
                                : from_ferry(arguments, files, *executor);
  if (arguments.to == "-") return {};
  const ordered_json json = {{"file", arguments.to},
                             {"from", outcome.from},
                             {"to", outcome.to},
                             {"pages", outcome.done.pages},
                             {"vcpus", outcome.done.vcpus}};
  return arguments.json
             ? json_text(json) + "\n"
             : fmt::format("{}: {} from {}, {} pages with a frame, {} vCPUs\n", arguments.to,
                           outcome.to, outcome.from, outcome.done.pages, outcome.done.vcpus);
}

// Into a file that appears whole or not.
Exit run_convert(const ConvertArguments& arguments) {
  const delta::ImageFiles file(arguments.from, arguments.bases);
  check_other_file(arguments.from, arguments.to);
  ImageOutput output(arguments.to);
  FdSink sink(output.fd(), arguments.to == "-" ? "standard output" : arguments.to);
  const sandbox::Done done =
      read_confined(file, arguments.no_sandbox, [&](const sandbox::Confinement&) {
        return sandbox::Done{Exit::done, converted(arguments, {file, sink})};
      });
  if (done.exit != Exit::done) return done.exit;
  output.commit();
  print(done.report);
  return Exit::done;
}

}  // namespace

void add_convert_command(Command ferry, Exit& exit) {
  auto arguments = std::make_shared<ConvertArguments>();
  Command command = ferry.add_command("convert", "Convert between Xen's own format and ferry's");
  command.footer(
      "Example: ferry convert old.save web1.ferry      # of stock xl save\n"
      "         ferry convert web1.ferry web1.save     # for stock xl restore\n"
      "Formats: ferry (a bare image), ferry-xl (the same in a file for xl restore with ferry's\n"
      "helper), xl (a file of stock xl), libxc (the stream that is in it). FROM is read twice, so "
      "it\n"
      "must be a file. Ask ferry audit about what was made of a file you do not trust.");
  command.add_option("FROM", arguments->from, "Image, libxc stream, or file of xl").required();
  command.add_option("TO", arguments->to, "File to write, mode 0600, or - for standard output")
      .required();
  command.add_option("--to", arguments->format, "ferry, ferry-xl, xl or libxc (default: the other)")
      .one_of({"ferry", "ferry-xl", "xl", "libxc"})
      .type_name("FORMAT");
  command.add_option("--level", arguments->level, "Of zstd, 0 for none (default 1)")
      .in_range(0, 19)
      .type_name("N");
  command.add_option("--threads", arguments->threads, "Worker threads (default: one a core)")
      .in_range(1, 3)
      .type_name("N");
  command.add_flag("--json", arguments->json, "Print JSON");
  add_bases(command, arguments->bases);
  add_no_sandbox(command, arguments->no_sandbox);
  command.callback([arguments, &exit] { exit = run_convert(*arguments); });
}

}  // namespace ferry
