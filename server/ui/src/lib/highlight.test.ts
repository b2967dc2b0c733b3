import { describe, expect, it } from "vitest";
import { jsonTokens, yamlTokens } from "./highlight";

const whole = (tokens: { text: string }[]) => tokens.map((t) => t.text).join("");

describe("colouring", () => {
  it.each(['{"a": [1, true, "x:\\"y\\""]}', "not json at all", "", '{"open": "'])(
    "loses no character of %j",
    (text) => {
      expect(whole(jsonTokens(text))).toBe(text);
    },
  );

  it.each([
    "id: a\nlist:\n  - 'b' # why\n  - key: 3\nexpr: |\n  e.x == \"y\"\n",
    "",
    "no yaml",
    "url: http://a#b",
  ])("loses no character of %j", (text) => {
    expect(whole(yamlTokens(text))).toBe(text);
  });

  it("tells keys from strings and comments", () => {
    expect(jsonTokens('{"a": "b"}').map((t) => t.kind)).toEqual([
      "punctuation",
      "key",
      "punctuation",
      "plain",
      "string",
      "punctuation",
    ]);
    const yaml = yamlTokens("a: 1 # c");
    expect(yaml.find((t) => t.text === "a")?.kind).toBe("key");
    expect(yaml.find((t) => t.text === "1")?.kind).toBe("number");
    expect(yaml.find((t) => t.text === "# c")?.kind).toBe("comment");
    expect(yamlTokens("url: http://a#b").some((t) => t.kind === "comment")).toBe(false);
  });
});
