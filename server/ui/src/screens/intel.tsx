import { Head } from "../kit/layout";
export default function Intel() {
  return <Head title="Intel" />;
}
