// What a configuration asks for, key by key.
#include "config/judge_config.h"

#include <strings.h>

#include <algorithm>
#include <cstring>

#include "config/json_text.h"
#include "config/libxl_json.h"
#include "config/libxl_keys.h"
#include "text/printable.h"

namespace ferry {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMostText = 4096;   // of a value
constexpr size_t kMostShown = 120;   // of a value, in a sentence
constexpr size_t kMostDropped = 64;  // keys, in a note
constexpr size_t kMostRefused = 6;   // in one sentence

bool is_plain_name(const std::string& text, const char* signs = "._:@+-") {
  return text.empty() ||
         (text.front() != '-' && std::all_of(text.begin(), text.end(), [&](unsigned char c) {
            return std::isalnum(c) || std::strchr(signs, c) != nullptr;
          }));
}

bool is_among(std::string_view words, const std::string& text) {
  while (!words.empty()) {
    const std::string_view word = words.substr(0, words.find(' '));
    if (word.size() == text.size() && strncasecmp(word.data(), text.data(), text.size()) == 0)
      return true;
    words.remove_prefix(std::min(words.size(), word.size() + 1));
  }
  return false;
}

// What libxl has where the key is not there.
bool is_nothing(const Json& value) {
  if (value.is_string()) return value == "" || value == "<default>";
  if (value.is_number()) return value == 0;
  if (value.is_boolean()) return value == false;
  return value.empty();
}

// Arguments of pygrub that choose among what is on the guest's own disk.
bool is_pygrub_argument(const Json& value) {
  const std::string text = value;
  constexpr std::string_view kWhole[] = {"-q", "--quiet"};
  constexpr std::string_view kBegin[] = {
      "--kernel=", "--ramdisk=", "--args=", "--entry=", "--offset="};
  return std::find(std::begin(kWhole), std::end(kWhole), text) != std::end(kWhole) ||
         std::any_of(std::begin(kBegin), std::end(kBegin),
                     [&](std::string_view begin) { return text.starts_with(begin); });
}

class Judge {
 public:
  Judge(Errc code, const std::string& called, const TrustPlaces& places)
      : code_(code), called_(called), places_(places) {}

  JudgedConfig run(const Json& config) {
    judged_.json = group(config, kDomainConfigKeys, "");
    return std::move(judged_);
  }

 private:
  template <typename... Args>
  [[noreturn]] void senseless(fmt::format_string<Args...> format, Args&&... args) {
    fail(code_, "{} makes no sense: {}", called_, fmt::format(format, std::forward<Args>(args)...));
  }

  void find(const std::string& path, const Json& value, std::string why) {
    if (judged_.findings.size() >= kMostConfigFindings) return;
    std::string shown = json_text(value, -1);
    if (shown.size() > kMostShown) shown.replace(kMostShown, std::string::npos, "…");
    judged_.findings.push_back({path, std::move(shown), std::move(why)});
  }

  void find_fault(const std::string& path, const Json& value, std::string why) {
    if (!why.empty()) find(path, value, std::move(why));
  }

  Json group(const Json& in, const KeyGroup& keys, const std::string& path) {
    Json out = Json::object();
    for (const auto& [name, value] : in.items()) {
      const std::string at = path.empty() ? name : path + "." + name;
      const Key* key = find_key(keys, name);
      if (!key) {
        if (judged_.dropped.size() < kMostDropped) judged_.dropped.push_back(at);
        continue;
      }
      if (key->rule == Rule::drop || value.is_null()) continue;
      out[name] = formed(value, *key, at);
      by_rule(out[name], *key, at);
    }
    if (&keys == &kDiskKeys) disk(out, path);
    return out;
  }

  // The value, if it has its key's form.
  Json formed(const Json& in, const Key& key, const std::string& at) {
    switch (key.form) {
      case Form::boolean:
        return want(in.is_boolean(), in, at, "true or false");
      case Form::tristate:
        return want(in == "True" || in == "False" || in == "<default>", in, at,
                    "\"True\", \"False\" or \"<default>\"");
      case Form::number:
        return want(is_number(in, key.lowest, key.highest), in, at,
                    fmt::format("a number from {} to {}", key.lowest, key.highest));
      case Form::text:
        return want_text(in, at);
      case Form::lines:
        return want_text(in, at, "\t\n\r");
      case Form::word:
        return want(is_word(in), in, at, "a word");
      case Form::scalar:
        if (in.is_string()) return want_text(in, at);
        return want(in.is_boolean() || is_number(in, INT64_MIN, INT64_MAX), in, at,
                    "a text or a number");
      case Form::texts_map:
        want(in.is_object(), in, at, "an object of texts");
        for (const auto& [name, text] : in.items()) {
          want_text(Json(name), at);
          want_text(text, at);
        }
        return in;
      case Form::cpuid:
        return cpuid(in, at);
      case Form::object:
        return group(want(in.is_object(), in, at, "an object"), *key.group, at);
      default:
        return list(in, key, at);
    }
  }

  Json list(const Json& in, const Key& key, const std::string& at) {
    want(in.is_array(), in, at, "a list");
    Json out = Json::array();
    for (size_t i = 0; i < in.size(); ++i) {
      const std::string one = fmt::format("{}[{}]", at, i);
      out.push_back(element(in[i], key, one));
    }
    return out;
  }

  Json element(const Json& in, const Key& key, const std::string& at) {
    switch (key.form) {
      case Form::texts:
        return want_text(in, at);
      case Form::words:
        return want(is_word(in), in, at, "a word");
      case Form::numbers:
        return want(is_number(in, 0, UINT32_MAX), in, at, "a number");
      case Form::bitmaps: {
        const Key bits{key.name, Form::numbers};
        return list(in, bits, at);
      }
      default:
        return group(want(in.is_object(), in, at, "an object"), *key.group, at);
    }
  }

  // Leaves of numbers and bits; MSRs too, in an object of Xen 4.18 and later.
  Json cpuid(const Json& in, const std::string& at) {
    if (in.is_array()) return leaves(in, at);
    want(in.is_object(), in, at, "a list of leaves");
    Json out = Json::object();
    for (const char* part : {"cpuid", "msr"})
      if (in.contains(part)) out[part] = leaves(in[part], at);
    return out;
  }

  Json leaves(const Json& in, const std::string& at) {
    want(in.is_array(), in, at, "a list of leaves");
    for (const Json& leaf : in) {
      want(leaf.is_object(), leaf, at, "an object");
      for (const auto& [name, value] : leaf.items()) {
        want(is_plain_name(name), Json(name), at, "a register's name");
        if (value.is_string())
          want_text(value, at);
        else
          want(is_number(value, 0, UINT32_MAX), value, at, "a number or bits");
      }
    }
    return in;
  }

  const Json& want(bool is, const Json& value, const std::string& at, const std::string& what) {
    if (is) return value;
    std::string shown = json_text(value, -1);
    if (shown.size() > kMostShown) shown.replace(kMostShown, std::string::npos, "…");
    senseless("{} is {}, and libxl wants {}", at, shown, what);
  }

  // libxl's texts end at the first NUL, and files of xenstore and scripts at a line's end.
  const Json& want_text(const Json& value, const std::string& at, std::string_view also = {}) {
    want(value.is_string(), value, at, "a text");
    const auto& text = value.get_ref<const std::string&>();
    if (text.size() > kMostText)
      senseless("{} has {} bytes, more than {}", at, text.size(), kMostText);
    const auto is_control = [also](char c) {
      const auto byte = static_cast<unsigned char>(c);
      return (byte < ' ' || byte == 0x7f) && also.find(c) == std::string_view::npos;
    };
    if (std::any_of(text.begin(), text.end(), is_control))
      senseless("{} holds a control character", at);
    return value;
  }

  static bool is_number(const Json& value, int64_t lowest, int64_t highest) {
    if (value.is_number_unsigned())
      return value.get<uint64_t>() <= static_cast<uint64_t>(std::max<int64_t>(highest, 0));
    return value.is_number_integer() && value.get<int64_t>() >= lowest &&
           value.get<int64_t>() <= highest;
  }

  static bool is_word(const Json& value) {
    return value.is_string() && value.get_ref<const std::string&>().size() < 64 &&
           is_plain_name(value.get_ref<const std::string&>());
  }

  void by_rule(const Json& value, const Key& key, const std::string& at) {
    switch (key.rule) {
      case Rule::refuse:
        if (!is_nothing(value)) find(at, value, std::string(key.words));
        return;
      case Rule::one_of:
        if (!is_nothing(value) && !is_among(key.words, value))
          find(at, value, fmt::format("only {} is taken unseen", or_between(key.words)));
        return;
      case Rule::name:
        if (!is_plain_name(value)) find(at, value, "it is no plain name");
        return;
      case Rule::address:
        if (!is_plain_name(value, "._:, /")) find(at, value, "it is no address");
        return;
      case Rule::kernel:
        if (!is_nothing(value)) find_fault(at, value, fault_of_kernel(value, places_));
        return;
      case Rule::script:
        if (!is_nothing(value)) find_fault(at, value, fault_of_script(value, places_));
        return;
      case Rule::bootloader:
        if (!is_nothing(value) && value != "pygrub")
          find(at, value, "it is a program that dom0 would run, and not pygrub by its name");
        return;
      case Rule::bootloader_args:
        for (const Json& argument : value)
          if (!is_pygrub_argument(argument))
            find(at, argument, "it is an argument of a program that dom0 would run");
        return;
      case Rule::never:
        if (key.words.empty() || !is_among(key.words, value))
          senseless("{} is there, and this is an image of a PV guest", at);
        return;
      case Rule::free:
      case Rule::disk:
      case Rule::drop:
        return;
    }
  }

  static std::string or_between(std::string_view words) {
    std::string text;
    for (const char c : words) text += c == ' ' ? std::string(" or ") : std::string(1, c);
    return text;
  }

  void disk(const Json& disk, const std::string& path) {
    const auto text = [&](const char* key) {
      return disk.contains(key) ? disk[key].get<std::string>() : std::string();
    };
    const std::string target = text("pdev_path");
    if (target.empty()) return;  // an empty drive
    std::string format = text("format");
    std::transform(format.begin(), format.end(), format.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    find_fault(path + ".pdev_path", disk["pdev_path"],
               fault_of_disk(target, format, text("script"), places_));
  }

  const Errc code_;
  const std::string& called_;
  const TrustPlaces& places_;
  JudgedConfig judged_;
};

}  // namespace

JudgedConfig judge_config(const std::string& text, Errc code, const std::string& called,
                          const TrustPlaces& places) {
  return Judge(code, called, places).run(require_config(text, code, called));
}

std::vector<ConfigFinding> asks_for(const std::string& text) {
  const bool says_nothing =
      parse_config(text).is_object() && !parse_config(text).contains("c_info");
  if (text.empty() || says_nothing) return {};
  try {
    return judge_config(text, Errc::bad_image, "it", usual_trust_places()).findings;
  } catch (const Error& e) {
    return {{"the configuration", "", e.what()}};
  }
}

std::string finding_in_words(const ConfigFinding& finding) {
  return fmt::format("{}{}{}: {}", printable(finding.key), finding.value.empty() ? "" : " ",
                     finding.value, printable(finding.why));
}

void require_trust(const JudgedConfig& judged, const std::string& called,
                   const std::string& way_out) {
  if (judged.findings.empty()) return;
  std::string all;
  const size_t shown = std::min(judged.findings.size(), kMostRefused);
  for (size_t i = 0; i < shown; ++i)
    all += (i == 0 ? "" : "; ") + finding_in_words(judged.findings[i]);
  if (shown < judged.findings.size())
    all += fmt::format("; and {} more", judged.findings.size() - shown);
  fail(Errc::unsupported, "{} asks for what is not taken unseen: {} ({})", called, all, way_out);
}

}  // namespace ferry
