// What the server says by codes, in the reader's language.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CODES, hintOf } from "../../app/static/teach/hints.js";
import { language, TEXTS } from "../../app/static/teach/language.js";

test("every code has a text in every language, and no text is without its code", () => {
  for (const [name, texts] of Object.entries(TEXTS)) {
    const there = Object.keys(texts).filter((key) => key.startsWith("hint.")).map((key) => key.slice(5));
    assert.deepEqual(there.sort(), [...CODES].sort(), name);
  }
});

test("a code is said in the page's language, with the names that it gives to gestures", () => {
  const { said, lang } = hintOf({ code: "mistaken", values: { gestures: ["open_hand", "wave"] }, text: "open_hand and wave are mistaken" });
  assert.equal(lang, language);
  assert.ok(said.includes(TEXTS[language]["gesture.open_hand"]) && said.includes("wave"), said);
});

test("what has no code here is the server's own sentence, and says that it is English", () => {
  assert.deepEqual(hintOf({ code: "brand_new", values: {}, text: "hold it longer" }), { said: "Hold it longer.", lang: "en" });
  assert.deepEqual(hintOf({ code: null, text: "hold it longer" }), { said: "Hold it longer.", lang: "en" });
  assert.deepEqual(hintOf({ code: "constructor", text: "hold it longer" }).lang, "en");
});
