/** Those that people use most. Any other is typed by the keyboard of the system. */
export const QUICK = ["👍", "❤️", "😂", "😮", "😢", "🙏"];
export const EMOJIS = [
  ..."😀 😄 😁 😅 😂 🙂 😉 😊 😍 😘 😋 😎 🤔 😐 😏 🙄 😬 😴 😌 😔 😢 😭 😡 😱 🥳 🤯 🥰 🤗 🤫 🫠".split(" "),
  ..."👍 👎 👌 ✌️ 🤞 👏 🙌 🙏 💪 👋 🤝 🫶 ❤️ 🧡 💛 💚 💙 💜 🖤 💔".split(" "),
  ..."🎉 🔥 ✨ ⭐ 🌊 ☀️ 🌧️ ❄️ 🌱 🌸 🐦 🐱 🐶 🍎 🍞 ☕ 🍷 🍰 ⚽ 🚲 🚆 ⛵ ✈️ 🏡 🎵 📷 📌 ✅ ❌ ❓".split(" "),
];
