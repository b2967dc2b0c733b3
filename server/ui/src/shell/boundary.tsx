import { Component, type ReactNode } from "react";
import { Failed } from "../kit/state";

/** Keeps a fault of one screen from taking the console with it. */
export class Boundary extends Component<{ children: ReactNode }, { error: unknown }> {
  override state = { error: null as unknown };

  static getDerivedStateFromError(error: unknown) {
    return { error };
  }

  override render() {
    if (!this.state.error) return this.props.children;
    return <Failed error={this.state.error} retry={() => location.reload()} />;
  }
}
