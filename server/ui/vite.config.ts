import { gzipSync } from "node:zlib";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin, type Rolldown } from "vite";

const limit = 200 * 1024;

/** Says what the first screen weighs, and refuses a build that is heavier than the limit. */
function firstScreen(): Plugin {
  return {
    name: "first-screen",
    generateBundle(_, bundle) {
      const files = new Set<string>();
      const add = (name: string) => {
        if (files.has(name)) return;
        files.add(name);
        const chunk = bundle[name];
        if (chunk?.type === "chunk") chunk.imports.forEach(add);
      };
      const isFirst = (c: Rolldown.OutputChunk) =>
        c.isEntry || c.facadeModuleId?.endsWith("/screens/home.tsx");
      for (const c of Object.values(bundle)) if (c.type === "chunk" && isFirst(c)) add(c.fileName);
      for (const name of Object.keys(bundle)) if (name.endsWith(".css")) files.add(name);
      const size = [...files].reduce((n, name) => {
        const out = bundle[name];
        return n + gzipSync(out?.type === "chunk" ? out.code : (out?.source ?? "")).length;
      }, 0);
      const text = `first screen: ${(size / 1024).toFixed(1)} KiB gz of ${limit / 1024}`;
      if (size > limit) this.error(text);
      console.log(text);
    },
  };
}

// The embedded folder keeps its .gitkeep, so that the Go embed compiles without a build.
export default defineConfig({
  plugins: [react(), firstScreen()],
  build: { outDir: "dist", emptyOutDir: false, assetsInlineLimit: 0, modulePreload: { polyfill: false } },
});
