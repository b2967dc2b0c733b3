import { Head } from "../kit/layout";
export default function Models() {
  return <Head title="Models" />;
}
