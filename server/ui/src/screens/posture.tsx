import { Head } from "../kit/layout";
export default function Posture() {
  return <Head title="Posture" />;
}
