// Texts of the page. Names and messages come from instruments: characters that a browser would obey or hide are shown
// as escapes, and every text gets into the page as text, never as HTML.
"use strict";

globalThis.riglogText = (() => {
  const UNPRINTABLE = new RegExp(
    "[\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u061c\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff\\ufff9-\\ufffb]"
      + "|[\\u{e0000}-\\u{e007f}]|\\p{Surrogate}", "gu");

  function visible(text) {
    return String(text ?? "").replace(UNPRINTABLE, (found) => {
      const code = found.codePointAt(0).toString(16);
      return code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, "0")}`;
    });
  }

  // 1.5 s, 45 s, 12 min, 5 h, 3 d: as riglog watch has it
  function age(seconds) {
    const s = Math.max(0, seconds);
    if (s < 10) return `${s.toFixed(1)} s`;
    for (const [limit, divisor, unit] of [[120, 1, "s"], [7200, 60, "min"], [172800, 3600, "h"]]) {
      if (s < limit) return `${Math.round(s / divisor)} ${unit}`;
    }
    return `${Math.round(s / 86400)} d`;
  }

  // Seven significant digits, without zeros at the end, as every command writes them: "%.7g" of C. JavaScript rounds a
  // number in the middle between two others up, C to the even one.
  function number(value) {
    if (value === null || value === undefined) return "–";
    if (value === 0) return Object.is(value, -0) ? "-0" : "0";
    const [, first, rest, behind] = /^(\d)\.(\d{6})(\d*)/.exec(Math.abs(value).toExponential(30));
    const isEven = /^50*$/.test(behind) && Number(rest) % 2 === 0;
    const [rounded, power] = Math.abs(value).toExponential(isEven ? 30 : 6).split("e");
    const digits = isEven ? first + rest : rounded.replace(".", "");
    const exponent = Number(power), sign = value < 0 ? "-" : "";
    const short = (text) => (text.includes(".") ? text.replace(/\.?0*$/, "") : text);
    if (exponent < -4 || exponent > 6) {
      const size = String(Math.abs(exponent)).padStart(2, "0");
      return `${sign}${short(`${digits[0]}.${digits.slice(1)}`)}e${exponent < 0 ? "-" : "+"}${size}`;
    }
    if (exponent < 0) return sign + short(`0.${"0".repeat(-exponent - 1)}${digits}`);
    return sign + short(`${digits.slice(0, exponent + 1)}.${digits.slice(exponent + 1)}`);
  }

  const two = (value) => String(value).padStart(2, "0");

  // local time of this browser
  function clock(ms, withMilliseconds = false) {
    const at = new Date(ms);
    const text = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
    return withMilliseconds ? `${text}.${String(at.getMilliseconds()).padStart(3, "0")}` : text;
  }

  function date(ms) {
    const at = new Date(ms);
    return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  }

  function offset(ms) {
    const minutes = -new Date(ms).getTimezoneOffset();
    const size = Math.abs(minutes);
    return `${minutes < 0 ? "-" : "+"}${two(Math.floor(size / 60))}:${two(size % 60)}`;
  }

  const moment = (ms, withMilliseconds = false) => `${date(ms)} ${clock(ms, withMilliseconds)}`;

  // an element with a text and attributes; properties are never HTML
  function make(tag, text, attributes = {}) {
    const element = document.createElement(tag);
    if (text !== undefined && text !== null) element.textContent = visible(text);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  }

  // changes the page only if the text is another one: a screen reader is not disturbed, and layout costs nothing
  function put(element, text) {
    const shown = visible(text);
    if (element.textContent !== shown) element.textContent = shown;
  }

  return { visible, age, number, clock, date, offset, moment, make, put };
})();
