import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// The embedded folder keeps its .gitkeep, so that the Go embed compiles without a build.
export default defineConfig({
  plugins: [react()],
  build: { outDir: "dist", emptyOutDir: false, assetsInlineLimit: 0, modulePreload: { polyfill: false } },
});
